/** JSON leaves DEL, C1 controls, line separators and direction marks as they are; a terminal would act on them. */
export function inAscii(json: string): string {
  // By far most lines are plain, which their length in bytes says at a fifth of the price of a search.
  if (Buffer.byteLength(json) === json.length && !json.includes('\u007f')) return json
  return json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
