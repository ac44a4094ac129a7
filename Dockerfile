# Two stages: the first compiles, the second holds what runs and nothing else.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts
COPY proto proto
COPY src src
COPY agent agent
COPY server server
RUN npx tsc --project tsconfig.json --noEmit false --declaration false \
 && npm prune --omit=dev --ignore-scripts

FROM gcr.io/distroless/nodejs24-debian12:nonroot
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/proto proto
COPY --from=build /app/dist dist
COPY bin bin
USER nonroot
ENTRYPOINT ["/nodejs/bin/node", "/app/bin/countersign.mjs"]
