// Package look is the one design of all viewers: colors, type sizes, spacing,
// icons, states and actions. Window and screen paint with it, the page gets it
// as CSS and SVG, the terminal takes the colors and the words.
//
// Guarantees:
//   - Text and Muted on Background and Surface, and white on Accept and
//     Decline, have a contrast of at least 4.5:1 (WCAG 2.2, AA).
//   - An icon is the data of one SVG path on a grid of 24 by 24 with the fill
//     rule nonzero. It uses the commands M, L, C and Z, absolute, and every
//     number follows a command, a space or a minus sign.
//   - Every action and every state has a word.
package look
