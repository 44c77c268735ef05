"use client";

import Link from "next/link";
import { useState, type FormEvent } from "react";
import { authClient } from "@/lib/auth-client";
import { useHydrated } from "@/lib/hydrated";
import { announce } from "@/lib/tabs";
import { Field } from "./field";
import { Logo } from "./logo";

const WORDS = {
  "sign-in": { title: "Sign in", other: "sign-up", question: "No account yet?", link: "Sign up" },
  "sign-up": { title: "Create your account", other: "sign-in", question: "Already have an account?", link: "Sign in" },
} as const;

export function AuthForm({ mode, sessionEnded = false }: { mode: "sign-in" | "sign-up"; sessionEnded?: boolean }) {
  const [problem, setProblem] = useState<string>();
  const [isSending, setSending] = useState(false);
  // Before that, a browser would send the form itself.
  const isHydrated = useHydrated();
  const { title, other, question, link } = WORDS[mode];

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [name, email, password] = ["name", "email", "password"].map((field) => String(form.get(field) ?? ""));
    setSending(true);
    setProblem(undefined);
    try {
      const { error } =
        mode === "sign-in"
          ? await authClient.signIn.email({ email: email!, password: password! })
          : await authClient.signUp.email({ name: name!, email: email!, password: password! });
      if (!error) {
        announce("session");
        // A whole new page: nothing of another user's is left in memory.
        window.location.assign("/");
        return;
      }
      setProblem(error.status === 429 ? "Too many attempts. Wait a minute and try again." : (error.message ?? "It did not work. Try again."));
    } catch {
      setProblem("There is no answer. Check your connection and try again.");
    }
    setSending(false);
  }

  return (
    <main className="auth">
      <Logo />
      <h1>{title}</h1>
      {sessionEnded && !problem && <p className="hint" role="status">You were signed out. Sign in to go on.</p>}
      {/* The method keeps a password out of the address, should a browser send the form itself. */}
      <form method="post" onSubmit={submit} className="card">
        {problem && <p className="problem" role="alert">{problem}</p>}
        {mode === "sign-up" && <Field label="Name" name="name" autoComplete="name" required maxLength={100} />}
        <Field label="Email" name="email" type="email" autoComplete="email" required />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete={mode === "sign-in" ? "current-password" : "new-password"}
          required
          minLength={8}
          maxLength={128}
          {...(mode === "sign-up" && { hint: "At least 8 characters" })}
        />
        <button className="primary" disabled={!isHydrated || isSending}>{isSending ? "One moment…" : mode === "sign-in" ? "Sign in" : "Sign up"}</button>
      </form>
      <p className="hint">{question} <Link href={`/${other}`}>{link}</Link></p>
    </main>
  );
}
