/** All pages of a list of the server's: each answer names the next page, the last one none. */
export async function everyPage<P extends { readonly next_page_token: string }>(
  ask: (page_token: string) => Promise<P>,
): Promise<readonly P[]> {
  const pages: P[] = []
  let next = ''
  do {
    const page = await ask(next)
    pages.push(page)
    next = page.next_page_token
  } while (next !== '')
  return pages
}
