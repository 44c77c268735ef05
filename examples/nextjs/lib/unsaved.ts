"use client";

/** What would be lost when the page goes away. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

let drafts = 0;
let isLeaving = false;

/** Says how many forms with something typed are open. */
export function setDrafts(count: number): void {
  drafts = count;
}

/** Goes to another page of this application. The browser asks only when something typed would be lost. */
export function leave(address: string): void {
  isLeaving = true;
  window.location.assign(address);
}

/** Has the browser ask before the page goes away with something unsaved. */
export function useUnsavedGuard(): void {
  const client = useQueryClient();
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (drafts > 0 || (!isLeaving && client.isMutating() > 0)) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [client]);
}
