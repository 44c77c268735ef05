/** When a request is sent again. */

import { NoToken } from "./access-token";
import { ApiError } from "./api";

const MAX_RETRIES = 4;

/** Whether to send a request again that failed `failures` times. All requests here are safe to repeat. */
export function shouldRetry(failures: number, error: Error): boolean {
  const isTransient = error instanceof ApiError ? error.isTransient : error instanceof NoToken || isNetworkError(error);
  return isTransient && failures < MAX_RETRIES;
}

/** In milliseconds: what the API asks for, or longer each time, with some randomness. */
export function retryDelay(failures: number, error: Error): number {
  const asked = error instanceof ApiError ? error.retryAfterMs : 0;
  return Math.max(asked, 300 * 2 ** failures) * (1 + Math.random() / 4);
}

/** `fetch` throws a TypeError when there is no answer, and a TimeoutError when there is none in time. */
export function isNetworkError(error: Error): boolean {
  return error instanceof TypeError || error.name === "TimeoutError";
}
