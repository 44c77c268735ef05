"use client";

/** Filter, search, order and page are in the address: a reload keeps them, and Back goes back. */

import { useMemo, useSyncExternalStore } from "react";
import { MAX_SEARCH, type Order, type View } from "./api";

const STATUSES: readonly View["status"][] = ["all", "pending", "completed"];
const ORDERS: readonly Order[] = ["newest", "oldest", "changed", "title"];

const CHANGED = "view";

function subscribe(listen: () => void): () => void {
  const events = ["popstate", CHANGED];
  for (const event of events) window.addEventListener(event, listen);
  return () => events.forEach((event) => window.removeEventListener(event, listen));
}

/** What the address asks for; what it has wrong is left out. */
export function useView(): View {
  // Not Next's `useSearchParams`, which follows a moment later: a radio button would flicker.
  const query = useSyncExternalStore(subscribe, () => window.location.search, () => "");
  return useMemo(() => parse(new URLSearchParams(query)), [query]);
}

function parse(params: URLSearchParams): View {
  const page = Number(params.get("page"));
  return {
    status: STATUSES.find((status) => status === params.get("status")) ?? "all",
    order: ORDERS.find((order) => order === params.get("order")) ?? "newest",
    search: (params.get("search") ?? "").slice(0, MAX_SEARCH),
    page: Number.isInteger(page) && page > 0 && page < 1e6 ? page : 1,
  };
}

/** Changes the address. Everything but another page starts at the first one. */
export function show(view: View, change: Partial<View>, { replace = false } = {}): void {
  const { status, order, search, page } = { ...view, page: 1, ...change };
  const params = new URLSearchParams();
  if (status !== "all") params.set("status", status);
  if (order !== "newest") params.set("order", order);
  if (search) params.set("search", search);
  if (page > 1) params.set("page", String(page));
  const address = `?${params}`;
  if (replace) window.history.replaceState(null, "", address);
  else window.history.pushState(null, "", address);
  window.dispatchEvent(new Event(CHANGED));
}
