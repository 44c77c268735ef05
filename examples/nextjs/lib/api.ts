/** The task API, through a client that is generated from its `/openapi.json` (`npm run generate`). */

import createClient from "openapi-fetch";
import { AccessTokens, TIMEOUT_MS } from "./access-token";
import type { components, paths } from "./schema";

export type Task = components["schemas"]["Task"];

export type Order = "newest" | "oldest" | "changed" | "title";

/** What a page of the list shows. */
export interface View {
  status: "all" | "pending" | "completed";
  search: string;
  order: Order;
  /** From 1. */
  page: number;
}

export interface TaskPage {
  tasks: Task[];
  hasNext: boolean;
}

/** A task as it was when it was read, which `If-Match` compares with. */
export interface Versioned {
  task: Task;
  etag: string;
}

export interface Changes {
  title: string;
  description: string | null;
}

/** An answer that is not a success. */
export class ApiError extends Error {
  override name = "ApiError";

  constructor(
    readonly status: number,
    message: string,
    /** How long to wait before another attempt. */
    readonly retryAfterMs: number,
  ) {
    super(message);
  }

  /** Whether the same request may succeed soon. */
  get isTransient(): boolean {
    return this.status === 429 || this.status === 503;
  }
}

/** The task was changed after it was read. `current` is what it is now. */
export class Conflict extends Error {
  override name = "Conflict";

  constructor(readonly current: Versioned) {
    super("This task was changed somewhere else.");
  }
}

/** The most letters of a search that the API takes. */
export const MAX_SEARCH = 100;
export const MAX_TITLE = 200;
export const MAX_DESCRIPTION = 1000;
const PAGE_SIZE = 10;

const SORTS = {
  newest: { sort: "created", order: "desc" },
  oldest: { sort: "created", order: "asc" },
  changed: { sort: "updated", order: "desc" },
  title: { sort: "title", order: "asc" },
} as const;

type Answer<T> = { data?: T; error?: unknown; response: Response };

export type TaskApi = ReturnType<typeof createApi>;

/** The API for one user. `userId` is the user's id at Better Auth. */
export function createApi(baseUrl: string, userId: string) {
  const tokens = new AccessTokens(userId);
  const client = createClient<paths>({
    baseUrl,
    fetch: (request) => fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) }),
  });
  client.use({
    async onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${await tokens.get()}`);
      return request;
    },
  });

  /** Sends a request. A 401 is answered with a new token, once. */
  async function send<T>(call: () => Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
    let answer = await call();
    if (answer.response.status === 401) {
      tokens.discard();
      answer = await call();
    }
    if (answer.data === undefined) throw toError(answer);
    return { data: answer.data, response: answer.response };
  }

  const task = (id: number) => ({ user_id: userId, id });

  async function get(id: number): Promise<Versioned> {
    const call = () => client.GET("/api/{user_id}/tasks/{id}", { params: { path: task(id) }, cache: "no-store" });
    return versioned(await send(call));
  }

  return {
    get,

    async list({ status, search, order, page }: View, signal?: AbortSignal): Promise<TaskPage> {
      const query = { status, ...(search && { search }), ...SORTS[order], page, page_size: PAGE_SIZE };
      const call = () => client.GET("/api/{user_id}/tasks", { params: { path: { user_id: userId }, query }, signal });
      const { data, response } = await send(call);
      return { tasks: data, hasNext: response.headers.get("Link")?.includes('rel="next"') ?? false };
    },

    /** The same key creates one task, however often it is sent. */
    async create(body: Changes, key: string): Promise<Task> {
      const params = { path: { user_id: userId }, header: { "Idempotency-Key": key } };
      return (await send(() => client.POST("/api/{user_id}/tasks", { params, body }))).data;
    },

    /** Sets rather than toggles, so that it can be sent again. */
    async complete(id: number, completed: boolean): Promise<Task> {
      const params = { path: task(id) };
      const call = () => client.PATCH("/api/{user_id}/tasks/{id}/complete", { params, body: { completed } });
      return (await send(call)).data;
    },

    /** Changes the texts of a task, which nobody else has changed since `base` was read. */
    async update({ task: base, etag }: Versioned, body: Changes): Promise<Task> {
      const put = async (etag: string) => {
        const params = { path: task(base.id), header: { "If-Match": etag } };
        return (await send(() => client.PUT("/api/{user_id}/tasks/{id}", { params, body }))).data;
      };
      try {
        return await put(etag);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 412) throw error;
        const current = await get(base.id);
        // An attempt before this one may have succeeded although its answer was lost.
        if (isSame(current.task, body)) return current.task;
        // Only something else was changed, such as whether the task is completed.
        if (isSame(current.task, base)) return put(current.etag);
        throw new Conflict(current);
      }
    },

    /** Deletes a task. One that is gone already was deleted by an attempt before, or in another tab. */
    async remove(id: number): Promise<void> {
      try {
        await send(() => client.DELETE("/api/{user_id}/tasks/{id}", { params: { path: task(id) } }));
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
      }
    },
  };
}

function isSame(one: Changes, other: Changes): boolean {
  return one.title === other.title && one.description === other.description;
}

function versioned({ data, response }: { data: Task; response: Response }): Versioned {
  return { task: data, etag: response.headers.get("ETag") ?? "" };
}

function toError({ error, response }: Answer<unknown>): ApiError {
  const detail = (error as { detail?: unknown } | undefined)?.detail;
  const problems: { msg?: string }[] = Array.isArray(detail) ? detail : [];
  const text = typeof detail === "string" ? detail : problems.map(({ msg }) => msg).join(". ");
  const seconds = Number(response.headers.get("Retry-After"));
  return new ApiError(response.status, text || `The API answered ${response.status}.`, seconds > 0 ? seconds * 1000 : 0);
}
