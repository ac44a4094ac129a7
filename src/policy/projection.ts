import {
  type CedarEntity,
  type CedarQuestion,
  type CedarRequest,
  wholeRequest,
} from './cedar-request.ts'
import type { Look, Part } from './looks.ts'
import { actionGroups } from './schema.ts'

/** Leaves of a question what is looked at: two that differ in nothing else are one request. */
export type Projection = (question: CedarQuestion) => CedarRequest

/** Cedar is told no schema with a request, so none of its groups but by these. */
const members = [...actionGroups].flatMap(([group, actions]) =>
  actions.map((id) => ({ uid: actionUid(id), attrs: {}, parents: [actionUid(group)] })),
)

/** For policies that look at no more than this. */
export function projectionOn(looks: readonly Look[]): Projection {
  if (looks.some(({ kind }) => kind === 'everything')) {
    return (question) => {
      const request = wholeRequest(question)
      return { ...request, entities: [...request.entities, ...members] }
    }
  }
  const principalOf = entityOf('principal', looks)
  const resourceOf = entityOf('resource', looks)
  const contextOf = chosen('context', 'attribute', looks)
  const grouped = looks.some(({ kind }) => kind === 'group') ? members : []
  return ({ principal, action, resource, context }) => {
    const [who, what] = [principalOf(principal), resourceOf(resource)]
    const actions = grouped.filter(({ uid }) => uid.id === action.id)
    return {
      principal: who.uid,
      action,
      resource: what.uid,
      context: contextOf(context),
      entities: [...actions, ...[who, what].filter(isMore)],
    }
  }
}

function entityOf(
  of: 'principal' | 'resource',
  looks: readonly Look[],
): (entity: CedarEntity) => CedarEntity {
  const isNamed = looks.some(
    (look) => (look.kind === 'id' || look.kind === 'whole') && look.of === of,
  )
  const attributesOf = chosen(of, 'attribute', looks)
  const tagsOf = chosen(of, 'tag', looks)
  return ({ uid, attrs, tags }) => ({
    uid: isNamed ? uid : { type: uid.type, id: '' },
    attrs: attributesOf(attrs),
    parents: [],
    ...(tags !== undefined && { tags: tagsOf(tags) }),
  })
}

/** An entity without anything is to Cedar as one that it was not told of. */
function isMore({ attrs, tags = {} }: CedarEntity): boolean {
  return Object.keys(attrs).length > 0 || Object.keys(tags).length > 0
}

/** Of these values by name, those that are looked at. */
function chosen(
  of: Part,
  kind: 'attribute' | 'tag',
  looks: readonly Look[],
): <V>(values: Readonly<Record<string, V>>) => Record<string, V> {
  if (looks.some((look) => look.kind === 'whole' && look.of === of)) return (values) => values
  const names = new Set(
    looks.flatMap((look) => (look.kind === kind && look.of === of ? [look.name] : [])),
  )
  // What nobody looks at is not told.
  return <V>(values: Readonly<Record<string, V>>) =>
    Object.fromEntries(
      [...names]
        .filter((name) => Object.hasOwn(values, name))
        .map((name) => [name, values[name] as V]),
    )
}

function actionUid(id: string) {
  return { type: 'Action', id }
}
