import { headers } from "next/headers";
import { auth } from "./auth";

/** The session of the request that is being answered. */
export async function session() {
  // First, as this tells a build, which has no variables, that the page is made for each request.
  const current = await headers();
  return auth().api.getSession({ headers: current });
}
