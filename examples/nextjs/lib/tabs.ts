"use client";

/** What the tabs of one browser tell each other. */

import { useEffect } from "react";

/** Tasks were changed, or somebody signed in or out. */
export type Event = "changed" | "session";

let channel: BroadcastChannel | undefined;

/** The one channel of this tab: it does not hear what it says itself. */
const tab = () => (channel ??= new BroadcastChannel("task-api"));

export function announce(event: Event): void {
  tab().postMessage(event);
}

/** Calls `listen` for what other tabs announce. */
export function useOtherTabs(listen: (event: Event) => void): void {
  useEffect(() => {
    const hear = ({ data }: MessageEvent<Event>) => listen(data);
    tab().addEventListener("message", hear);
    return () => tab().removeEventListener("message", hear);
  }, [listen]);
}
