// The accounts of the installation. They change with its configuration only, so they are asked for once a sign-in.

import { shallowRef } from 'vue'
import { get } from './client'

export interface Account {
  appid: string
  name: string
  kind: string
  platform: string
}

export const accounts = shallowRef<Account[]>([])

/** Loads the accounts. Throws a Problem. */
export async function loadAccounts(): Promise<void> {
  accounts.value = (await get<{ accounts: Account[] | null }>('/v1/accounts')).accounts ?? []
}

/** An account's name, its appid where it has none or is not configured any more. */
export function accountName(appid: string): string {
  return accounts.value.find((a) => a.appid === appid)?.name || appid
}
