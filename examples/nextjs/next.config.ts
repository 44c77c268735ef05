import type { NextConfig } from "next";

const config: NextConfig = {
  poweredByHeader: false,
  // Where `next dev` may be opened: at localhost, and at the address that others know it by.
  allowedDevOrigins: process.env.BETTER_AUTH_URL ? [new URL(process.env.BETTER_AUTH_URL).hostname] : [],
  // This folder, whatever lock files there are above it.
  turbopack: { root: import.meta.dirname },
  async headers() {
    const headers = [
      { key: "X-Content-Type-Options", value: "nosniff" },
      { key: "Referrer-Policy", value: "same-origin" },
      { key: "Content-Security-Policy", value: "frame-ancestors 'none'; base-uri 'self'; form-action 'self'" },
    ];
    return [{ source: "/:path*", headers }];
  },
};

export default config;
