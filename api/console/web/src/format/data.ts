// Payloads of messages, which JSON carries in base64.

/** The text of a payload: UTF-8, its faulty bytes replaced; the base64 itself where it is none. */
export function decodeData(base64: string): string {
  try {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
    return new TextDecoder().decode(bytes)
  } catch {
    return base64
  }
}
