"use client";

import { useRef } from "react";
import { useTasks } from "@/lib/tasks";
import { show, useView } from "@/lib/view";
import { Filters } from "./filters";
import { NewTaskForm } from "./new-task-form";
import { TaskItem } from "./task-item";

export function TaskList() {
  const view = useView();
  const { data, error, isPending, isPlaceholderData, isFetching, failureCount, refetch } = useTasks(view);
  const heading = useRef<HTMLHeadingElement>(null);
  const tasks = data?.tasks ?? [];
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
        {isPending || isPlaceholderData
          ? failureCount > 0 ? "No answer yet. Trying again…" : "Loading…"
          : count(tasks.length, isFiltered, view.page > 1 || (data?.hasNext ?? false))}
      </p>
      {error && (
        <div className="problem" role="alert">
          <p>Your tasks cannot be shown. {error.message}</p>
          <button onClick={() => void refetch()} disabled={isFetching}>Try again</button>
        </div>
      )}
      {isPending && !error && <div className="skeleton" aria-hidden="true"><i /><i /><i /></div>}
      {tasks.length > 0 && (
        <ul className="tasks" aria-busy={isPlaceholderData}>
          {tasks.map((task) => <TaskItem key={task.id} task={task} onDeleted={() => heading.current?.focus()} />)}
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
