// A client made from openapi.json by openapi-typescript: this file type-checks, and what is marked
// as an error is one.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:9000" });

export async function tour(user_id: number, id: number): Promise<components["schemas"]["Task"][]> {
  const { data: created } = await client.POST("/api/{user_id}/tasks", {
    params: { path: { user_id }, header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { title: "From TypeScript", description: null },
  });
  const title: string | undefined = created?.title;

  await client.PUT("/api/{user_id}/tasks/{id}", { params: { path: { user_id, id } }, body: { completed: true } });
  await client.PATCH("/api/{user_id}/tasks/{id}/complete", { params: { path: { user_id, id } } });
  await client.PATCH("/api/{user_id}/tasks/{id}/complete", {
    params: { path: { user_id, id }, header: { "If-Match": '"1"' } },
    body: { completed: true },
  });
  await client.PATCH("/api/users/me", { body: { name: title ?? "Alice", image: null } });

  // @ts-expect-error A task needs a title.
  await client.POST("/api/{user_id}/tasks", { params: { path: { user_id } }, body: { description: "x" } });
  // @ts-expect-error There is no such order.
  await client.GET("/api/{user_id}/tasks", { params: { path: { user_id }, query: { sort: "size" } } });

  const { data, error } = await client.GET("/api/{user_id}/tasks", {
    params: { path: { user_id }, query: { completed: false, q: "milk", sort: "-created_at", limit: 10 } },
  });
  if (error) {
    const detail: string | components["schemas"]["Problem"][] = error.detail;
    throw new Error(JSON.stringify(detail));
  }
  const described: (string | null)[] = data.map((task) => task.description);
  return described.length > 0 ? data : [];
}
