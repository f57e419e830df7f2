// The reader's own choices, kept in this browser. They change how figures look, never which figures are shown; that is
// the address's part.

import { reactive, watch } from 'vue'
import { languages, type Language } from '../format/reading'

export type Theme = 'auto' | 'light' | 'dark'

interface Preferences {
  language: Language
  /** Shorten large numbers with 万 and 亿. */
  short: boolean
  theme: Theme
}

const place = 'unionlink.preferences'

/** Reads stored preferences; anything unknown falls back to what the browser asks for. */
export function readPreferences(stored: string | null, browserLanguage: string): Preferences {
  let saved: Partial<Preferences> = {}
  try {
    saved = (JSON.parse(stored ?? '{}') ?? {}) as Partial<Preferences>
  } catch {
    // Written by something else: the defaults hold.
  }
  return {
    language: languages.find((l) => l === saved.language) ?? (browserLanguage.startsWith('zh') ? 'zh-CN' : 'en'),
    short: saved.short === true,
    theme: saved.theme === 'light' || saved.theme === 'dark' ? saved.theme : 'auto',
  }
}

/** Storage may be forbidden in this browser; the choices then last as long as the page. */
function stored(): string | null {
  try {
    return globalThis.localStorage?.getItem(place) ?? null
  } catch {
    return null
  }
}

export const preferences = reactive(readPreferences(stored(), globalThis.navigator?.language ?? 'en'))

/** Applies the preferences to the document, now and whenever they change. */
export function applyPreferences(): void {
  watch(preferences, (now) => {
    document.documentElement.lang = now.language
    document.documentElement.dataset.theme = now.theme
    try {
      localStorage.setItem(place, JSON.stringify(now))
    } catch {
      // As above.
    }
  }, { immediate: true })
}
