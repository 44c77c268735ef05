"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useLayoutEffect, useRef, useState } from "react";
import { SessionEnded } from "@/lib/access-token";
import { ApiError, Conflict, type Changes, type Task, type Versioned } from "@/lib/api";
import { shouldRetry } from "@/lib/retry";
import { isProvisional, newTask, settled, useApi, useCompleteTask, useCreateTask, useDeleteTask, useUpdateTask } from "@/lib/tasks";
import { EditForm } from "./edit-form";
import { useNotify } from "./notices";

/** A form that is open. */
export interface Draft {
  /** What the form starts with. */
  values: Changes;
  /** What the changes are made to. */
  base: Versioned;
  /** What somebody else did while the form was open. */
  elsewhere?: "changed" | "deleted";
}

interface Props {
  task: Task;
  /** It is the list's, as a row may leave the list while its form is open or its change is on the way. */
  draft: Draft | undefined;
  setDraft: (draft: Draft | undefined) => void;
  /** Takes the focus that a row had when it left the list. */
  onFocusLost: () => void;
}

const isGone = (error: unknown) => error instanceof ApiError && error.status === 404;

export function TaskItem({ task, draft, setDraft, onFocusLost }: Props) {
  const [api, client, notify] = [useApi(), useQueryClient(), useNotify()];
  const [complete, update, remove, create] = [useCompleteTask(task), useUpdateTask(task), useDeleteTask(task), useCreateTask()];
  const [isOpening, setOpening] = useState(false);
  const row = useRef<HTMLLIElement>(null);
  const editButton = useRef<HTMLButtonElement>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const isSaving = isProvisional(task);

  // Before the row is taken off the page, while it can still be asked.
  const focusLost = useRef(onFocusLost);
  focusLost.current = onFocusLost;
  useLayoutEffect(() => {
    const element = row.current;
    return () => {
      if (element?.contains(document.activeElement)) requestAnimationFrame(() => focusLost.current());
    };
  }, []);

  async function edit() {
    if (isOpening) return;
    setOpening(true);
    try {
      // The form is to show what they have made of the task.
      await settled(client, task.id);
      const base = await client.fetchQuery({
        queryKey: ["task", task.id],
        queryFn: () => api.get(task.id),
        staleTime: 0,
        gcTime: 0,
        retry: shouldRetry,
      });
      setDraft({ values: base.task, base });
    } catch (error) {
      if (error instanceof SessionEnded) return;
      notify("problem", isGone(error) ? `“${task.title}” was deleted somewhere else.` : `“${task.title}” cannot be edited now. Try again.`);
    } finally {
      setOpening(false);
    }
  }

  function close() {
    setDraft(undefined);
    // The button is there again after the next render.
    requestAnimationFrame(() => editButton.current?.focus());
  }

  async function save(values: Changes) {
    const { base, elsewhere } = draft!;
    close();
    try {
      if (elsewhere === "deleted") await create.mutateAsync(newTask(values));
      else await update.mutateAsync({ base, changes: values });
    } catch (error) {
      // What was typed comes back.
      if (error instanceof Conflict) setDraft({ values, base: error.current, elsewhere: "changed" });
      else if (isGone(error)) setDraft({ values, base, elsewhere: "deleted" });
      else setDraft({ values, base, ...(elsewhere && { elsewhere }) });
    }
  }

  if (draft) {
    return (
      <li ref={row} className="card">
        <EditForm
          key={`${draft.base.etag} ${draft.elsewhere ?? ""}`}
          draft={draft}
          onSave={(values) => void save(values)}
          onCancel={close}
        />
      </li>
    );
  }

  const titleId = `task-${task.id}`;
  return (
    <li ref={row} className="card task" data-completed={task.completed} aria-busy={isSaving}>
      <input
        type="checkbox"
        aria-labelledby={titleId}
        checked={task.completed}
        disabled={isSaving}
        onChange={(event) => complete.mutate({ completed: event.target.checked })}
      />
      <div className="grow">
        <h2 id={titleId}>{task.title}</h2>
        {task.description && <p>{task.description}</p>}
        <time dateTime={task.created_at} suppressHydrationWarning>{when(task.created_at)}</time>
      </div>
      <div className="actions">
        <button ref={editButton} className="quiet" disabled={isSaving} aria-disabled={isOpening} onClick={() => void edit()}>
          Edit<span className="hidden"> {task.title}</span>
        </button>
        <button className="quiet danger" disabled={isSaving} onClick={() => dialog.current?.showModal()}>
          Delete<span className="hidden"> {task.title}</span>
        </button>
      </div>
      <dialog ref={dialog} aria-labelledby={`${titleId}-delete`}>
        <p id={`${titleId}-delete`}>Delete “{task.title}”?</p>
        <form method="dialog" className="actions">
          <button>Keep it</button>
          <button
            className="primary danger"
            onClick={() => {
              remove.mutate();
              // This row is gone after the next render, and the focus with it.
              requestAnimationFrame(onFocusLost);
            }}
          >
            Delete
          </button>
        </form>
      </dialog>
    </li>
  );
}

function when(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
