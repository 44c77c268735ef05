"use client";

import { MutationCache, QueryCache, QueryClient, QueryClientProvider, notifyManager } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { SessionEnded } from "@/lib/access-token";
import { Conflict, createApi } from "@/lib/api";
import { authClient } from "@/lib/auth-client";
import { isNetworkError, retryDelay, shouldRetry } from "@/lib/retry";
import { announce, useOtherTabs, type Event } from "@/lib/tabs";
import { ApiContext } from "@/lib/tasks";
import { leave } from "@/lib/unsaved";
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
      leave("/sign-in?ended");
      return true;
    };
    return new QueryClient({
      queryCache: new QueryCache({ onError: (error) => void endSession(error) }),
      mutationCache: new MutationCache({
        onError: (error, input, _context, { meta }) => {
          // The form shows a conflict itself.
          if (endSession(error) || error instanceof Conflict) return;
          const failure = meta?.failure as ((input: unknown) => string) | undefined;
          notify("problem", `${failure?.(input) ?? "It did not work."} ${explain(error)}`);
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

  const [isSigningOut, setSigningOut] = useState(false);

  async function signOut() {
    setSigningOut(true);
    // What is still on its way to the API needs the session.
    const end = Date.now() + 3000;
    while (client.isMutating() > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
    if (client.isMutating() === 0 || window.confirm("Some changes are not saved yet. Sign out anyway?")) {
      const failure = await authClient.signOut().then(({ error }) => error, () => ({ status: 0 }));
      if (!failure || failure.status === 401) {
        announce("session");
        return leave("/sign-in");
      }
      notify("problem", "You are still signed in: there is no answer. Try again.");
    }
    setSigningOut(false);
  }

  return (
    <QueryClientProvider client={client}>
      <ApiContext value={api}>
        <header className="bar">
          <Logo />
          <span className="who">{user.name}</span>
          <button className="quiet" onClick={() => void signOut()} disabled={isSigningOut}>
            {isSigningOut ? "Signing out…" : "Sign out"}
          </button>
        </header>
        <main>
          <TaskList />
        </main>
      </ApiContext>
    </QueryClientProvider>
  );
}

function explain(error: Error): string {
  return isNetworkError(error) ? "There is no connection to the API." : error.message;
}
