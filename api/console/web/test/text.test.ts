import { describe, expect, it } from 'vitest'
import { problemOf } from '../src/api/problem'
import { readPreferences } from '../src/state/preferences'
import { en } from '../src/text/en'
import { named, textIn, texts } from '../src/text/text'
import { zh } from '../src/text/zh'

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()

describe('texts', () => {
  it('exist in every language, none of them empty', () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
    for (const [language, all] of Object.entries(texts)) {
      for (const [key, text] of Object.entries(all)) expect(text.trim(), `${language} ${key}`).not.toBe('')
    }
  })
  it('speak of the same values in every language', () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) expect(names(zh[key]), key).toEqual(names(en[key]))
  })
  it('take values, and keep a name they do not have', () => {
    expect(textIn('en', 'filter.accounts.some', { n: 3 })).toBe('3 accounts')
    expect(textIn('zh-CN', 'filter.accounts.some')).toBe('{n} 个账号')
  })
  it('show an unknown code of the API as it is', () => {
    expect(named('segment', 'a-new-one')).toBe('a-new-one')
  })
})

describe('preferences', () => {
  it('begin with what the browser asks for', () => {
    expect(readPreferences(null, 'zh-TW')).toEqual({ language: 'zh-CN', short: false, theme: 'auto' })
    expect(readPreferences('{"language":"en","theme":"dark","short":true}', 'zh')).toEqual({ language: 'en', short: true, theme: 'dark' })
    for (const bad of ['', 'null', '[1]', '{"language":"fr","theme":1}']) {
      expect(readPreferences(bad, 'de'), bad).toEqual({ language: 'en', short: false, theme: 'auto' })
    }
  })
})

describe('problems', () => {
  it('carry the detail of the API', () => {
    expect(problemOf(400, 'Bad Request', '{"type":"invalid-parameter","title":"Invalid","detail":"tz: unknown zone"}'))
      .toMatchObject({ status: 400, type: 'invalid-parameter', title: 'Invalid', detail: 'tz: unknown zone', message: 'tz: unknown zone' })
  })
  it('are told of answers that are no problem documents', () => {
    for (const body of ['<html>', '', 'null', '[]']) {
      expect(problemOf(502, 'Bad Gateway', body), body).toMatchObject({ status: 502, title: 'Bad Gateway' })
    }
  })
})
