"use client";

import { useState, type FormEvent, type KeyboardEvent } from "react";
import { MAX_DESCRIPTION, MAX_TITLE, type Changes, type Task } from "@/lib/api";

interface Props {
  values: Changes;
  /** What the task is now, when somebody else has changed it. */
  theirs?: Task;
  onSave: (values: Changes) => void;
  onCancel: () => void;
}

/** Focuses a field with the cursor behind its text. */
function startAtTheEnd(input: HTMLInputElement | null) {
  input?.focus();
  input?.setSelectionRange(input.value.length, input.value.length);
}

export function EditForm({ values, theirs, onSave, onCancel }: Props) {
  const [title, setTitle] = useState(values.title);
  const [description, setDescription] = useState(values.description ?? "");

  function submit(event: FormEvent) {
    event.preventDefault();
    if (title.trim()) onSave({ title: title.trim(), description: description.trim() || null });
  }

  function cancelOnEscape(event: KeyboardEvent) {
    if (event.key === "Escape") onCancel();
  }

  return (
    <form method="post" className="edit" onSubmit={submit} onKeyDown={cancelOnEscape}>
      {theirs && (
        <div className="problem" role="alert">
          <p>This task was changed somewhere else while you were editing it. It is now:</p>
          <blockquote>
            <strong>{theirs.title}</strong>
            {theirs.description && <><br />{theirs.description}</>}
          </blockquote>
        </div>
      )}
      <label className="field">
        Title
        <input value={title} onChange={(event) => setTitle(event.target.value)} maxLength={MAX_TITLE} required ref={startAtTheEnd} />
      </label>
      <label className="field">
        Description
        <textarea value={description} onChange={(event) => setDescription(event.target.value)} maxLength={MAX_DESCRIPTION} rows={3} />
      </label>
      <div className="actions">
        <button type="button" onClick={onCancel}>{theirs ? "Keep theirs" : "Cancel"}</button>
        <button className="primary">{theirs ? "Save mine" : "Save"}</button>
      </div>
    </form>
  );
}
