/**
 * Tells somebody who may fail at hearing it: that keeps nobody else from hearing it, nor what goes on behind it from going
 * on. The process warns of what is thrown.
 */
export function toldInSpite(tell: () => void): void {
  try {
    tell()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}
