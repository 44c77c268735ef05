"use client";

import { MutationCache, QueryCache, QueryClient, QueryClientProvider, notifyManager } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { SessionEnded } from "@/lib/access-token";
import { Conflict, createApi } from "@/lib/api";
import { authClient } from "@/lib/auth-client";
import { retryDelay, shouldRetry } from "@/lib/retry";
import { announce, useOtherTabs, type Event } from "@/lib/tabs";
import { ApiContext } from "@/lib/tasks";
import { Logo } from "./logo";
import { Notices, useNotify } from "./notices";
import { TaskList } from "./task-list";

// A change is shown before the browser paints again. After a timer, a checkbox would flicker.
notifyManager.setScheduler(queueMicrotask);

interface User {
  id: string;
  name: string;
}

/** What a signed-in user sees. */
export function TaskApp(props: { apiUrl: string; user: User }) {
  return (
    <Notices>
      <Connected {...props} />
    </Notices>
  );
}

function Connected({ apiUrl, user }: { apiUrl: string; user: User }) {
  const notify = useNotify();
  const [api] = useState(() => createApi(apiUrl, user.id));
  const [client] = useState(() => {
    const endSession = (error: Error) => {
      if (!(error instanceof SessionEnded)) return false;
      window.location.assign("/sign-in?ended");
      return true;
    };
    return new QueryClient({
      queryCache: new QueryCache({ onError: (error) => void endSession(error) }),
      mutationCache: new MutationCache({
        onError: (error, _input, _context, { meta }) => {
          // The form shows a conflict itself.
          if (endSession(error) || error instanceof Conflict) return;
          notify("problem", `${String(meta?.failure ?? "It did not work.")} ${explain(error)}`);
        },
      }),
      defaultOptions: {
        queries: { retry: shouldRetry, retryDelay, staleTime: 5000 },
        mutations: { retry: shouldRetry, retryDelay },
      },
    });
  });

  const listen = useCallback(
    (event: Event) => {
      if (event === "session") window.location.reload();
      else void client.invalidateQueries();
    },
    [client],
  );
  useOtherTabs(listen);

  async function signOut() {
    // What is still on its way to the API needs the session.
    while (client.isMutating() > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const { error } = await authClient.signOut();
    if (error && error.status !== 401) return notify("problem", `You are still signed in. ${error.message ?? ""}`);
    announce("session");
    window.location.assign("/sign-in");
  }

  return (
    <QueryClientProvider client={client}>
      <ApiContext value={api}>
        <header className="bar">
          <Logo />
          <span className="who">{user.name}</span>
          <button className="quiet" onClick={signOut}>Sign out</button>
        </header>
        <main>
          <TaskList />
        </main>
      </ApiContext>
    </QueryClientProvider>
  );
}

function explain(error: Error): string {
  return error instanceof TypeError ? "There is no connection to the API." : error.message;
}
