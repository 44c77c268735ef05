"use client";

import { useRef, useState, type FormEvent } from "react";
import { MAX_DESCRIPTION, MAX_TITLE } from "@/lib/api";
import { useHydrated } from "@/lib/hydrated";
import { newTask, useCreateTask } from "@/lib/tasks";
import { useNotify } from "./notices";

export function NewTaskForm() {
  const [title, setTitle] = useState("");
  const [description, setDescription] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const create = useCreateTask();
  const notify = useNotify();
  const isHydrated = useHydrated();

  function submit(event: FormEvent) {
    event.preventDefault();
    const task = { title: title.trim(), description: description.trim() || null };
    if (!task.title) return;
    setTitle("");
    setDescription("");
    input.current?.focus();
    create.mutate(
      newTask(task),
      {
        onSuccess: () => notify("done", `Added “${task.title}”.`),
        onError: () => {
          // What was typed comes back, unless something else has been typed since.
          setTitle((typed) => typed || task.title);
          setDescription((typed) => typed || (task.description ?? ""));
        },
      },
    );
  }

  return (
    <form method="post" className="new card" onSubmit={submit}>
      <label className="grow">
        <span className="hidden">New task</span>
        <input
          ref={input}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
          placeholder="What needs to be done?"
          maxLength={MAX_TITLE}
          required
        />
      </label>
      <button className="primary" disabled={!isHydrated}>Add</button>
      {title && (
        <label className="whole">
          <span className="hidden">Description</span>
          <textarea
            value={description}
            onChange={(event) => setDescription(event.target.value)}
            placeholder="Description (optional)"
            maxLength={MAX_DESCRIPTION}
            rows={2}
          />
        </label>
      )}
    </form>
  );
}
