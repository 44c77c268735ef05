"use client";

import { useIsMutating } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTasks } from "@/lib/tasks";
import { setDrafts as countDrafts, useUnsavedGuard } from "@/lib/unsaved";
import { show, useView } from "@/lib/view";
import { Filters } from "./filters";
import { NewTaskForm } from "./new-task-form";
import { TaskItem, type Draft } from "./task-item";

export function TaskList() {
  const view = useView();
  const { data, error, isPending, isPlaceholderData, isFetching, fetchStatus, failureCount, refetch } = useTasks(view);
  const heading = useRef<HTMLHeadingElement>(null);
  const [drafts, setDrafts] = useState<Record<number, Draft>>({});
  const changes = useIsMutating();
  const tasks = data?.tasks ?? [];
  // A form stays open when its task has left the list: it does not match any more, or is on another page.
  const strays = Object.values(drafts).map(({ base }) => base.task).filter(({ id }) => tasks.every((task) => task.id !== id));

  useUnsavedGuard();
  const open = Object.keys(drafts).length;
  useEffect(() => countDrafts(open), [open]);

  const setDraft = (id: number, draft: Draft | undefined) =>
    setDrafts(({ [id]: _, ...others }) => (draft ? { ...others, [id]: draft } : others));
  const isFiltered = view.status !== "all" || view.search !== "";

  const turn = (page: number) => {
    show(view, { page });
    heading.current?.focus();
  };

  return (
    <>
      <h1 ref={heading} tabIndex={-1}>Tasks</h1>
      <NewTaskForm />
      <Filters view={view} />
      <p role="status" className="hint count">
        {fetchStatus === "paused"
          ? "You are offline."
          : isPlaceholderData || (isPending && !error)
            ? failureCount > 0 ? "No answer yet. Trying again…" : "Loading…"
            : data && count(tasks.length, isFiltered, view.page > 1 || data.hasNext)}
      </p>
      {changes > 0 && <p className="hint saving" aria-hidden="true">Saving…</p>}
      {error && (
        <div className="problem" role="alert">
          <p>{data ? "This may be out of date." : "Your tasks cannot be shown."} {error.message}</p>
          <button onClick={() => void refetch()} disabled={isFetching}>Try again</button>
        </div>
      )}
      {isPending && !error && <div className="skeleton" aria-hidden="true"><i /><i /><i /></div>}
      {strays.length + tasks.length > 0 && (
        <ul className="tasks" aria-busy={isPlaceholderData}>
          {[...strays, ...tasks].map((task) => (
            <TaskItem
              key={task.id}
              task={task}
              draft={drafts[task.id]}
              setDraft={(draft) => setDraft(task.id, draft)}
              onFocusLost={() => heading.current?.focus()}
            />
          ))}
        </ul>
      )}
      {data && tasks.length === 0 && !isPlaceholderData && (
        <p className="empty">{isFiltered ? "No task matches." : view.page > 1 ? "There is nothing on this page." : "Nothing to do. Add your first task above."}</p>
      )}
      {(view.page > 1 || data?.hasNext) && (
        <nav className="pager" aria-label="Pages">
          <button disabled={view.page === 1} onClick={() => turn(view.page - 1)}>Previous</button>
          <span>Page {view.page}</span>
          <button disabled={!data?.hasNext || isPlaceholderData} onClick={() => turn(view.page + 1)}>Next</button>
        </nav>
      )}
    </>
  );
}

function count(tasks: number, isFiltered: boolean, hasPages: boolean): string {
  const noun = tasks === 1 ? "task" : "tasks";
  return `${tasks} ${isFiltered ? "matching " : ""}${noun}${hasPages ? " on this page" : ""}`;
}
