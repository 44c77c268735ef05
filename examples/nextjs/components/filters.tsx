"use client";

import { useEffect, useId, useState } from "react";
import { MAX_SEARCH, type Order, type View } from "@/lib/api";
import { show } from "@/lib/view";

const STATUSES: Record<View["status"], string> = { all: "All", pending: "Pending", completed: "Completed" };
const ORDERS: Record<Order, string> = {
  newest: "Newest first",
  oldest: "Oldest first",
  changed: "Last changed",
  title: "Title",
};

/** How long the user has to pause before the API is asked. */
const PAUSE_MS = 250;

export function Filters({ view }: { view: View }) {
  const id = useId();
  return (
    <search className="filters">
      <fieldset className="segments">
        <legend className="hidden">Show</legend>
        {Object.entries(STATUSES).map(([status, label]) => (
          <label key={status}>
            <input
              type="radio"
              name={`${id}-status`}
              checked={view.status === status}
              onChange={() => show(view, { status: status as View["status"] })}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <Search view={view} />
      <select aria-label="Order" value={view.order} onChange={(event) => show(view, { order: event.target.value as Order })}>
        {Object.entries(ORDERS).map(([order, label]) => <option key={order} value={order}>{label}</option>)}
      </select>
    </search>
  );
}

function Search({ view }: { view: View }) {
  const [text, setText] = useState(view.search);
  const [shown, setShown] = useState(view.search);
  // The address changed by other means, such as Back.
  if (view.search !== shown) {
    setShown(view.search);
    if (view.search !== text.trim()) setText(view.search);
  }
  useEffect(() => {
    const search = text.trim();
    if (search === view.search) return;
    const timer = setTimeout(() => show(view, { search }, { replace: true }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, view]);
  return (
    <input
      type="search"
      aria-label="Search"
      placeholder="Search"
      maxLength={MAX_SEARCH}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
