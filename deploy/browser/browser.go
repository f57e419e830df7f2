// Package browser walks the demo in a real browser: its test starts `unionlink up --demo`, as a user would, and drives
// Chromium through the shops and the console. The walks are the .walk.mjs files beside it, on playwright-core and
// axe-core, run by Node's own test runner.
//
// A walk fails on an error in the browser's console, a broken Content-Security-Policy, and axe's serious and critical
// findings. Pictures of the pages go to UNIONLINK_ARTIFACTS, or a folder among the system's temporary ones.
package browser
