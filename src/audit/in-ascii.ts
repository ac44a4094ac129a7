/** JSON leaves DEL, C1 controls, line separators and direction marks as they are; a terminal would act on them. */
export function inAscii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
