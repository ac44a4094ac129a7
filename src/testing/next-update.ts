/**
 * Resolves when the source has taken its next update, a withdrawal too. Begin to wait before the
 * change is made:
 *
 *     const updated = nextUpdate(source)
 *     await api.rotate()
 *     await updated
 */
export function nextUpdate(source: { onUpdate(listener: () => void): () => void }): Promise<void> {
  return new Promise((resolve) => {
    const stop = source.onUpdate(() => {
      stop()
      resolve()
    })
  })
}
