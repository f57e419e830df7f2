// What can go wrong between the console and the API.

/** A refusal of the API (RFC 9457), or a failure to reach it (status 0). */
export class Problem extends Error {
  constructor(
    /** HTTP status, 0 where no answer came. */
    readonly status: number,
    readonly title: string,
    /** What to know and do, in the API's words. May be empty. */
    readonly detail: string,
    /** The stable name of the problem. May be empty. */
    readonly type = '',
  ) {
    super(detail || title)
  }
}

/** Reads the problem out of an answer that is no success. */
export function problemOf(status: number, statusText: string, body: string): Problem {
  try {
    const p = JSON.parse(body) as Record<string, unknown>
    const text = (v: unknown) => (typeof v === 'string' ? v : '')
    return new Problem(status, text(p.title) || statusText, text(p.detail), text(p.type))
  } catch {
    return new Problem(status, statusText || `HTTP ${status}`, body.slice(0, 300))
  }
}
