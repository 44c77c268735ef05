"use client";

import { useSyncExternalStore } from "react";

const never = () => () => {};

/** Whether the page's scripts are at work: false in what the server sends. */
export function useHydrated(): boolean {
  return useSyncExternalStore(never, () => true, () => false);
}
