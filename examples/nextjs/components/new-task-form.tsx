"use client";

import { useRef, useState, type FormEvent } from "react";
import { MAX_DESCRIPTION, MAX_TITLE } from "@/lib/api";
import { useHydrated } from "@/lib/hydrated";
import { newTask, useCreateTask, type NewTask } from "@/lib/tasks";
import { useNotify } from "./notices";

const EMPTY = { title: "", description: "" };

export function NewTaskForm() {
  const [form, setForm] = useState(EMPTY);
  const input = useRef<HTMLInputElement>(null);
  /** What failed last. Sent again unchanged, it is the same task: it may have been made although no answer came. */
  const failed = useRef<NewTask>(undefined);
  const create = useCreateTask();
  const notify = useNotify();
  const isHydrated = useHydrated();

  async function submit(event: FormEvent) {
    event.preventDefault();
    const task = { title: form.title.trim(), description: form.description.trim() || null };
    if (!task.title) return;
    const before = failed.current?.task;
    const isAgain = before?.title === task.title && before.description === task.description;
    const sent = isAgain ? failed.current! : newTask(task);
    failed.current = undefined;
    setForm(EMPTY);
    input.current?.focus();
    try {
      await create.mutateAsync(sent);
      notify("done", `Added “${task.title}”.`);
    } catch {
      failed.current = sent;
      // What was typed comes back, unless something else has been typed since. (The notice has its title.)
      setForm((now) => (now.title || now.description ? now : { title: task.title, description: task.description ?? "" }));
    }
  }

  return (
    <form method="post" className="new card" onSubmit={(event) => void submit(event)}>
      <label className="grow">
        <span className="hidden">New task</span>
        <input
          ref={input}
          value={form.title}
          onChange={(event) => setForm({ ...form, title: event.target.value })}
          placeholder="What needs to be done?"
          maxLength={MAX_TITLE}
          required
        />
      </label>
      <button className="primary" disabled={!isHydrated}>Add</button>
      {(form.title || form.description) && (
        <label className="whole">
          <span className="hidden">Description</span>
          <textarea
            value={form.description}
            onChange={(event) => setForm({ ...form, description: event.target.value })}
            placeholder="Description (optional)"
            maxLength={MAX_DESCRIPTION}
            rows={2}
          />
        </label>
      )}
    </form>
  );
}
