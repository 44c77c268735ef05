"use client";

/** The tasks as the page knows them: what was read, and what is on its way to the API. */

import {
  keepPreviousData,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type QueryKey,
} from "@tanstack/react-query";
import { createContext, useContext } from "react";
import type { Changes, Task, TaskApi, TaskPage, Versioned, View } from "./api";
import { announce } from "./tabs";

const LISTS = ["tasks"];

export const ApiContext = createContext<TaskApi | null>(null);

export function useApi(): TaskApi {
  const api = useContext(ApiContext);
  if (!api) throw new Error("There is no ApiContext above this component");
  return api;
}

export function useTasks(view: View) {
  const api = useApi();
  return useQuery({
    queryKey: [...LISTS, view],
    queryFn: ({ signal }) => api.list(view, signal),
    placeholderData: keepPreviousData,
  });
}

type Lists = [QueryKey, TaskPage | undefined][];

const listsOf = (client: QueryClient): Lists => client.getQueriesData<TaskPage>({ queryKey: LISTS });

/** Changes what the lists show, before the API is asked again. */
function changeLists(client: QueryClient, change: (tasks: Task[], key: QueryKey) => Task[]): void {
  for (const [key, page] of listsOf(client)) {
    if (page) client.setQueryData<TaskPage>(key, { ...page, tasks: change(page.tasks, key) });
  }
}

/** The tasks that are shown `now`, with one of them as it was `before`: other changes stay. */
function undo(now: Task[], before: Task[], id: number): Task[] {
  const old = before.find((task) => task.id === id);
  if (!old) return now.filter((task) => task.id !== id);
  if (now.some((task) => task.id === id)) return now.map((task) => (task.id === id ? old : task));
  // Behind the nearest task that came before it and is still there.
  const ids = new Set(before.slice(0, before.indexOf(old)).map((task) => task.id));
  return now.toSpliced(now.findLastIndex((task) => ids.has(task.id)) + 1, 0, old);
}

interface Change<Result, Input> {
  /** Changes to one task are sent one after the other. */
  scope?: string;
  /** What the user is told when it fails. */
  failure: (input: Input) => string;
  send: (api: TaskApi, input: Input) => Promise<Result>;
  /** The id that the changed task has on the page. */
  id: (input: Input) => number;
  /** Shows the change before the API has made it. */
  show: (tasks: Task[], input: Input, view: View) => Task[];
  /** Shows what the API has answered. */
  confirm?: (tasks: Task[], input: Input, result: Result) => Task[];
}

/** What all changes have in common: they are shown at once, undone when they fail, and the lists are read again. */
function useChange<Result, Input>({ scope, failure, send, id, show, confirm }: Change<Result, Input>) {
  const [api, client] = [useApi(), useQueryClient()];
  return useMutation({
    mutationKey: LISTS,
    ...(scope && { scope: { id: scope } }),
    meta: { failure },
    mutationFn: (input: Input) => send(api, input),
    onMutate: async (input) => {
      await client.cancelQueries({ queryKey: LISTS });
      const before = listsOf(client);
      changeLists(client, (tasks, key) => show(tasks, input, key[1] as View));
      return { before };
    },
    onSuccess: (result, input) => {
      if (confirm) changeLists(client, (tasks) => confirm(tasks, input, result));
    },
    onError: (_error, input, context) => {
      const before = new Map(context?.before.map(([key, page]) => [JSON.stringify(key), page?.tasks ?? []]));
      changeLists(client, (tasks, key) => undo(tasks, before.get(JSON.stringify(key)) ?? tasks, id(input)));
    },
    onSettled: () => {
      announce("changed");
      // While another change is under way, its own end reads the lists. Reading now would show it undone.
      if (client.isMutating({ mutationKey: LISTS }) > 1) return;
      // Cancelled first: a list that is on its way for the first time would not be asked for again, and may be older than
      // the change.
      void client.cancelQueries({ queryKey: LISTS }).then(() => client.invalidateQueries({ queryKey: LISTS }));
    },
  });
}

/** Waits until all changes of a task have been answered. */
export async function settled(client: QueryClient, id: number): Promise<void> {
  const isOfTask = { predicate: ({ options }: { options: { scope?: { id: string } } }) => options.scope?.id === scopeOf(id) };
  while (client.isMutating(isOfTask) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
}

const scopeOf = (id: number) => `task-${id}`;

/** A task that is being created. */
export interface NewTask {
  task: Changes;
  /** Stands for one task that the user wants, however often the request is sent. */
  key: string;
  /** What it is called on the page until the API has given it an id. No task of the API has such an id. */
  provisionalId: number;
}

let lastProvisionalId = 0;

export function newTask(task: Changes): NewTask {
  // Not `randomUUID`, which pages without TLS do not have, unless they are at localhost.
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  const key = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { task, key, provisionalId: --lastProvisionalId };
}

export function isProvisional(task: Task): boolean {
  return task.id < 0;
}

export function useCreateTask() {
  return useChange<Task, NewTask>({
    failure: ({ task }) => `“${task.title}” was not added.`,
    send: (api, { task, key }) => api.create(task, key),
    id: ({ provisionalId }) => provisionalId,
    show: (tasks, { task, provisionalId }, view) => {
      const isShown = view.page === 1 && view.status !== "completed" && !view.search;
      if (!isShown) return tasks;
      const now = new Date().toISOString();
      const shown = { ...task, id: provisionalId, completed: false, user_id: "", created_at: now, updated_at: now };
      return view.order === "newest" || view.order === "changed" ? [shown, ...tasks] : [...tasks, shown];
    },
    confirm: (tasks, { provisionalId }, created) =>
      tasks.map((task) => (task.id === provisionalId ? created : task)),
  });
}

export function useCompleteTask(task: Task) {
  return useChange<Task, { completed: boolean }>({
    scope: scopeOf(task.id),
    failure: () => `“${task.title}” was not changed.`,
    send: (api, { completed }) => api.complete(task.id, completed),
    id: () => task.id,
    show: (tasks, { completed }) => tasks.map((shown) => (shown.id === task.id ? { ...shown, completed } : shown)),
  });
}

export function useUpdateTask(task: Task) {
  return useChange<Task, { base: Versioned; changes: Changes }>({
    scope: scopeOf(task.id),
    failure: () => `“${task.title}” was not changed.`,
    send: (api, { base, changes }) => api.update(base, changes),
    id: () => task.id,
    show: (tasks, { changes }) => tasks.map((shown) => (shown.id === task.id ? { ...shown, ...changes } : shown)),
  });
}

export function useDeleteTask(task: Task) {
  return useChange<void, void>({
    scope: scopeOf(task.id),
    failure: () => `“${task.title}” was not deleted.`,
    send: (api) => api.remove(task.id),
    id: () => task.id,
    show: (tasks) => tasks.filter((shown) => shown.id !== task.id),
  });
}
