export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="m9 16.5 5 5 9.5-11" />
    </svg>
  );
}
