import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// The files go where Go embeds them. Nothing may be inlined: the Content-Security-Policy of the console forbids it.
export default defineConfig({
  plugins: [vue()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    manifest: true, // weight.mjs reads it, then deletes it
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000, // weight.mjs holds the real limits
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
})
