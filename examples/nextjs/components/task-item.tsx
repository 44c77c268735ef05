"use client";

import { useRef, useState } from "react";
import { ApiError, Conflict, type Changes, type Task, type Versioned } from "@/lib/api";
import { isProvisional, useApi, useCompleteTask, useDeleteTask, useUpdateTask } from "@/lib/tasks";
import { EditForm } from "./edit-form";
import { useNotify } from "./notices";

/** A form that is open. */
interface Draft {
  /** What the form starts with. */
  values: Changes;
  /** What the changes are made to. */
  base: Versioned;
  /** Whether somebody else made `base` while the form was open. */
  isConflict: boolean;
}

export function TaskItem({ task, onDeleted }: { task: Task; onDeleted: () => void }) {
  const [api, notify] = [useApi(), useNotify()];
  const [complete, update, remove] = [useCompleteTask(), useUpdateTask(), useDeleteTask()];
  const [draft, setDraft] = useState<Draft>();
  const [isOpening, setOpening] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const isSaving = isProvisional(task);

  async function edit() {
    setOpening(true);
    try {
      const base = await api.get(task.id);
      setDraft({ values: base.task, base, isConflict: false });
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 404;
      notify("problem", isGone ? "This task was deleted somewhere else." : "The task cannot be edited now. Try again.");
    }
    setOpening(false);
  }

  function close() {
    setDraft(undefined);
    // The button is there again after the next render.
    requestAnimationFrame(() => editButton.current?.focus());
  }

  function save(values: Changes) {
    const { base } = draft!;
    close();
    update.mutate(
      { id: task.id, etag: base.etag, changes: values },
      {
        onError: (error) => {
          // What was typed comes back.
          if (error instanceof Conflict) setDraft({ values, base: error.current, isConflict: true });
          else if (!(error instanceof ApiError && error.status === 404)) setDraft({ values, base, isConflict: false });
        },
      },
    );
  }

  if (draft) {
    return (
      <li className="card">
        <EditForm
          key={draft.base.etag}
          values={draft.values}
          {...(draft.isConflict && { theirs: draft.base.task })}
          onSave={save}
          onCancel={close}
        />
      </li>
    );
  }

  const titleId = `task-${task.id}`;
  return (
    <li className="card task" data-completed={task.completed} aria-busy={isSaving}>
      <input
        type="checkbox"
        aria-labelledby={titleId}
        checked={task.completed}
        disabled={isSaving}
        onChange={(event) => complete.mutate({ id: task.id, completed: event.target.checked })}
      />
      <div className="grow">
        <h2 id={titleId}>{task.title}</h2>
        {task.description && <p>{task.description}</p>}
        <time dateTime={task.created_at} suppressHydrationWarning>{when(task.created_at)}</time>
      </div>
      <div className="actions">
        <button ref={editButton} className="quiet" disabled={isSaving || isOpening} onClick={() => void edit()}>
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
              remove.mutate({ id: task.id });
              // This item is gone after the next render, and the focus with it.
              requestAnimationFrame(onDeleted);
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
