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
import type { Changes, Task, TaskApi, TaskPage, View } from "./api";
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

/** Shows a change before the API has made it, and returns what to show again when it fails. */
async function applyToLists(
  client: QueryClient,
  change: (tasks: Task[], view: View) => Task[],
): Promise<{ before: Lists }> {
  await client.cancelQueries({ queryKey: LISTS });
  const before = client.getQueriesData<TaskPage>({ queryKey: LISTS });
  for (const [key, page] of before) {
    if (page) client.setQueryData<TaskPage>(key, { ...page, tasks: change(page.tasks, key[1] as View) });
  }
  return { before };
}

function restoreLists(client: QueryClient, context: { before: Lists } | undefined): void {
  for (const [key, page] of context?.before ?? []) client.setQueryData(key, page);
}

/**
 * What all changes have in common: `change` is shown at once, `confirm` when the API has answered, and the lists
 * are read again in the end. `failure` is the start of what the user is told when it fails.
 */
function useChange<Result, Input>(
  failure: string,
  send: (api: TaskApi, input: Input) => Promise<Result>,
  change: (tasks: Task[], input: Input, view: View) => Task[],
  confirm: (tasks: Task[], input: Input, result: Result) => Task[] = (tasks) => tasks,
) {
  const [api, client] = [useApi(), useQueryClient()];
  return useMutation({
    mutationKey: LISTS,
    meta: { failure },
    mutationFn: (input: Input) => send(api, input),
    onMutate: (input) => applyToLists(client, (tasks, view) => change(tasks, input, view)),
    onSuccess: (result, input) => {
      client.setQueriesData<TaskPage>({ queryKey: LISTS }, (page) => page && { ...page, tasks: confirm(page.tasks, input, result) });
    },
    onError: (_error, _input, context) => restoreLists(client, context),
    onSettled: () => {
      announce("changed");
      // While another change is under way, its own end reads the lists. Reading now would show it undone.
      if (client.isMutating({ mutationKey: LISTS }) === 1) void client.invalidateQueries({ queryKey: LISTS });
    },
  });
}

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
  return useChange<Task, NewTask>(
    "The task was not added.",
    (api, { task, key }) => api.create(task, key),
    (tasks, { task, provisionalId }, view) => {
      const isShown = view.page === 1 && view.status !== "completed" && !view.search;
      if (!isShown) return tasks;
      const now = new Date().toISOString();
      const shown = { ...task, id: provisionalId, completed: false, user_id: "", created_at: now, updated_at: now };
      return view.order === "newest" || view.order === "changed" ? [shown, ...tasks] : [...tasks, shown];
    },
    (tasks, { provisionalId }, created) => tasks.map((task) => (task.id === provisionalId ? created : task)),
  );
}

export function useCompleteTask() {
  return useChange<Task, { id: number; completed: boolean }>(
    "The task was not changed.",
    (api, { id, completed }) => api.complete(id, completed),
    (tasks, { id, completed }) => tasks.map((task) => (task.id === id ? { ...task, completed } : task)),
  );
}

export function useUpdateTask() {
  return useChange<Task, { id: number; etag: string; changes: Changes }>(
    "The task was not changed.",
    (api, { id, etag, changes }) => api.update(id, etag, changes),
    (tasks, { id, changes }) => tasks.map((task) => (task.id === id ? { ...task, ...changes } : task)),
  );
}

export function useDeleteTask() {
  return useChange<void, { id: number }>(
    "The task was not deleted.",
    (api, { id }) => api.remove(id),
    (tasks, { id }) => tasks.filter((task) => task.id !== id),
  );
}
