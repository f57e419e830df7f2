// The pages and their addresses. Each page is loaded when it is first opened.

import { createRouter, createWebHistory } from 'vue-router'
import { accounts, loadAccounts } from './api/accounts'
import { Problem } from './api/problem'
import { loadSession, session } from './api/session'
import { everyField, type FilterField } from './state/filter'
import type { TextKey } from './text/text'

declare module 'vue-router' {
  interface RouteMeta {
    /** The page's title. */
    title: TextKey
    /** The parts of the shared filter that apply. */
    filter?: FilterField[]
    /** Whether the page opens without a session. */
    open?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
  routes: [
    { path: '/', name: 'overview', component: () => import('./pages/OverviewPage.vue'), meta: { title: 'nav.overview', filter: [...everyField] } },
    { path: '/accounts', name: 'accounts', component: () => import('./pages/AccountsPage.vue'), meta: { title: 'nav.accounts', filter: [...everyField] } },
    { path: '/products', name: 'products', component: () => import('./pages/ProductsPage.vue'), meta: { title: 'nav.products', filter: [...everyField] } },
    { path: '/refunds', name: 'refunds', component: () => import('./pages/RefundsPage.vue'), meta: { title: 'nav.refunds', filter: [...everyField] } },
    { path: '/overlap', name: 'overlap', component: () => import('./pages/OverlapPage.vue'), meta: { title: 'nav.overlap', filter: [...everyField] } },
    { path: '/cohorts', name: 'cohorts', component: () => import('./pages/CohortsPage.vue'), meta: { title: 'nav.cohorts', filter: [...everyField] } },
    { path: '/segments', name: 'segments', component: () => import('./pages/SegmentsPage.vue'), meta: { title: 'nav.segments', filter: [...everyField] } },
    { path: '/journeys', name: 'journeys', component: () => import('./pages/JourneysPage.vue'), meta: { title: 'nav.journeys', filter: [...everyField] } },
    { path: '/persons', name: 'persons', component: () => import('./pages/PersonsPage.vue'), meta: { title: 'nav.persons', filter: [...everyField] } },
    { path: '/persons/:id', name: 'person', component: () => import('./pages/PersonPage.vue'), meta: { title: 'person.title', filter: ['tz', 'as_of'] } },
    { path: '/identity-health', name: 'health', component: () => import('./pages/HealthPage.vue'), meta: { title: 'nav.health', filter: [...everyField] } },
    { path: '/operations', name: 'operations', component: () => import('./pages/OperationsPage.vue'), meta: { title: 'nav.operations', filter: ['tz'] } },
    { path: '/sign-in', name: 'sign-in', component: () => import('./pages/SignInPage.vue'), meta: { title: 'signin.title', open: true } },
    { path: '/:rest(.*)*', name: 'nowhere', component: () => import('./pages/NowherePage.vue'), meta: { title: 'nowhere.title', open: true } },
  ],
})

let asked = false

/** Asks who is signed in and which accounts there are, as far as that is not known yet. Throws a Problem. */
async function enter(): Promise<void> {
  if (!asked) await loadSession()
  asked = true
  if (session.value && accounts.value.length === 0) await loadAccounts()
}

/** Opens pages to a session alone. */
router.beforeEach(async (to) => {
  if (to.meta.open) return true
  try {
    await enter()
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    return true // the API is out of reach: the page's own questions show it and offer to try again
  }
  return session.value ? true : { name: 'sign-in', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
})
