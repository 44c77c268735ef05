import { headers } from "next/headers";
import { auth } from "./auth";

/** The session of the request that is being answered. */
export async function session() {
  // First, as this tells a build, which has no variables, that the page is made for each request.
  const current = await headers();
  // Not extended here, where no cookie can be set: the next token extends it, with a cookie that lives as long.
  return auth().api.getSession({ headers: current, query: { disableRefresh: true } });
}
