// The texts of the console in the reader's language.

import type { Language } from '../format/reading'
import { preferences } from '../state/preferences'
import { en } from './en'
import { zh } from './zh'

export type TextKey = keyof typeof en

export const texts: Record<Language, Record<TextKey, string>> = { en, 'zh-CN': zh }

/** A text in a language, its {names} replaced by values. */
export function textIn(language: Language, key: TextKey, values: Record<string, string | number> = {}): string {
  return texts[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** A text in the reader's language. Reactive: a template that calls it follows the choice. */
export function t(key: TextKey, values?: Record<string, string | number>): string {
  return textIn(preferences.language, key, values)
}

/** The text for a code of the API, such as a segment's name, or the code itself where none is known. */
export function named(prefix: string, code: string): string {
  const key = `${prefix}.${code}`
  return key in en ? t(key as TextKey) : code
}
