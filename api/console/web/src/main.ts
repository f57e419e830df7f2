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
createApp(App).use(router).mount('#app')
