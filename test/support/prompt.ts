/**
 * What is pushed comes within milliseconds: bench/ has the figures. A test has to tell it from what comes by itself, at
 * the end of a wait, of a stream or of an SVID, and the machine that it runs on may stand still for a second or two.
 */
export const PROMPT_MS = 5000
