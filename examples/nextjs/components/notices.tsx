"use client";

import { createContext, useCallback, useContext, useRef, useState, type ReactNode } from "react";

interface Notice {
  id: number;
  kind: "done" | "problem";
  text: string;
}

type Notify = (kind: Notice["kind"], text: string) => void;

const NotifyContext = createContext<Notify>(() => {});

/** Tells the user something, on the screen and to a screen reader. */
export const useNotify = () => useContext(NotifyContext);

/** How long "done" stays on the screen. Problems stay until they are closed. */
const SHOWN_MS = 5000;

export function Notices({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([]);
  const nextId = useRef(0);
  const close = useCallback((id: number) => setNotices((notices) => notices.filter((notice) => notice.id !== id)), []);
  const notify = useCallback<Notify>(
    (kind, text) => {
      const id = nextId.current++;
      setNotices((notices) => [...notices.filter((notice) => notice.text !== text), { id, kind, text }]);
      if (kind === "done") setTimeout(() => close(id), SHOWN_MS);
    },
    [close],
  );
  const shown = (kind: Notice["kind"]) =>
    notices
      .filter((notice) => notice.kind === kind)
      .map(({ id, text }) => (
        <div key={id} className={`notice ${kind}`}>
          <span>{text}</span>
          <button className="quiet" onClick={() => close(id)} aria-label="Close">✕</button>
        </div>
      ));
  return (
    <NotifyContext value={notify}>
      {children}
      <div className="notices">
        <div role="alert">{shown("problem")}</div>
        <div role="status">{shown("done")}</div>
      </div>
    </NotifyContext>
  );
}
