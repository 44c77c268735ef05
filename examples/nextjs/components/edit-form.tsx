"use client";

import { useState, type FormEvent, type KeyboardEvent } from "react";
import { MAX_DESCRIPTION, MAX_TITLE, type Changes } from "@/lib/api";
import type { Draft } from "./task-item";

interface Props {
  draft: Draft;
  onSave: (values: Changes) => void;
  onCancel: () => void;
}

/** Focuses a field with the cursor behind its text. */
function startAtTheEnd(input: HTMLInputElement | null) {
  input?.focus();
  input?.setSelectionRange(input.value.length, input.value.length);
}

const WORDS = {
  none: { cancel: "Cancel", save: "Save" },
  changed: { cancel: "Keep theirs", save: "Save mine" },
  deleted: { cancel: "Leave it deleted", save: "Add it again" },
};

export function EditForm({ draft: { values, base, elsewhere }, onSave, onCancel }: Props) {
  const [title, setTitle] = useState(values.title);
  const [description, setDescription] = useState(values.description ?? "");

  const words = WORDS[elsewhere ?? "none"];

  function submit(event: FormEvent) {
    event.preventDefault();
    if (title.trim()) onSave({ title: title.trim(), description: description.trim() || null });
  }

  function cancelOnEscape(event: KeyboardEvent) {
    // Within an input method, Escape is for the input method.
    if (event.key === "Escape" && !event.nativeEvent.isComposing) onCancel();
  }

  return (
    <form method="post" className="edit" onSubmit={submit} onKeyDown={cancelOnEscape}>
      {elsewhere === "changed" && (
        <div className="problem" role="alert">
          <p>This task was changed somewhere else while you were editing it. It is now:</p>
          <blockquote>
            <strong>{base.task.title}</strong>
            {base.task.description && <><br />{base.task.description}</>}
          </blockquote>
        </div>
      )}
      {elsewhere === "deleted" && <p className="problem" role="alert">This task was deleted somewhere else while you were editing it.</p>}
      <label className="field">
        Title
        <input value={title} onChange={(event) => setTitle(event.target.value)} maxLength={MAX_TITLE} required ref={startAtTheEnd} />
      </label>
      <label className="field">
        Description
        <textarea value={description} onChange={(event) => setDescription(event.target.value)} maxLength={MAX_DESCRIPTION} rows={3} />
      </label>
      <div className="actions">
        <button type="button" onClick={onCancel}>{words.cancel}</button>
        <button className="primary">{words.save}</button>
      </div>
    </form>
  );
}
