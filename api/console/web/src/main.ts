import { createApp } from 'vue'
import App from './App.vue'
import { onSignedOut } from './api/client'
import { dropSession } from './api/session'
import { router } from './router'
import { applyPreferences } from './state/preferences'
import './style.css'

applyPreferences()
onSignedOut(() => {
  const next = router.currentRoute.value.fullPath
  dropSession()
  void router.push({ name: 'sign-in', query: { next } })
})
// The files of a page are gone once a newer console is served under the same address: loading anew gets it. Not twice in
// a row, lest a server that is down makes the page reload for ever.
addEventListener('vite:preloadError', () => {
  const last = Number(sessionStorage.getItem('unionlink.reloaded'))
  if (Date.now() - last < 30_000) return
  sessionStorage.setItem('unionlink.reloaded', String(Date.now()))
  location.reload()
})
createApp(App).use(router).mount('#app')
