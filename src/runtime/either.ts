/** A value, and which of two sources it came from. */
export type Either<A, B> =
  | { readonly from: 'first'; readonly value: A }
  | { readonly from: 'second'; readonly value: B }

/**
 * What two sources give, as it comes, until one of them ends; throws what one of them throws. The next
 * value of a source is asked for once the one before has been dealt with. Neither source is told of
 * the end: who made them ends them.
 */
export async function* either<A, B>(
  first: AsyncIterator<A>,
  second: AsyncIterator<B>,
): AsyncGenerator<Either<A, B>, void, void> {
  const arrived: Arrival<A, B>[] = []
  let wake = (): void => {}
  // A race of two promises would hold on to the one that takes long, once for each value of the other.
  const ask = <T>(source: AsyncIterator<T>, arrival: (value: T) => Arrival<A, B>): void => {
    const put = (item: Arrival<A, B>): void => {
      arrived.push(item)
      wake()
    }
    source.next().then(
      (result) => put(result.done === true ? { end: true } : arrival(result.value)),
      (error: unknown) => put({ error }),
    )
  }
  const askFirst = (): void => ask(first, (value) => ({ event: { from: 'first', value } }))
  const askSecond = (): void => ask(second, (value) => ({ event: { from: 'second', value } }))
  askFirst()
  askSecond()
  for (;;) {
    const arrival = arrived.shift()
    if (arrival === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    } else if ('event' in arrival) {
      yield arrival.event
      if (arrival.event.from === 'first') askFirst()
      else askSecond()
    } else if ('error' in arrival) {
      throw arrival.error
    } else {
      return
    }
  }
}

type Arrival<A, B> =
  | { readonly event: Either<A, B> }
  | { readonly error: unknown }
  | { readonly end: true }
