# Two stages: the first bundles, the second holds what runs and nothing else.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --include=dev --include=optional
COPY proto proto
COPY scripts/build.mjs scripts/build.mjs
COPY src src
COPY agent agent
COPY server server
RUN node scripts/build.mjs

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
# The native modules and WebAssembly; all else is in the bundle.
COPY --from=build /app/node_modules/@koromix node_modules/@koromix
COPY --from=build /app/node_modules/koffi node_modules/koffi
COPY --from=build /app/node_modules/better-sqlite3/package.json node_modules/better-sqlite3/package.json
COPY --from=build /app/node_modules/better-sqlite3/lib node_modules/better-sqlite3/lib
COPY --from=build /app/node_modules/better-sqlite3/prebuilds/linux-*.node node_modules/better-sqlite3/prebuilds/
COPY --from=build /app/node_modules/@cedar-policy/cedar-wasm/package.json node_modules/@cedar-policy/cedar-wasm/package.json
COPY --from=build /app/node_modules/@cedar-policy/cedar-wasm/nodejs node_modules/@cedar-policy/cedar-wasm/nodejs
COPY --from=build /app/dist dist
COPY package.json ./
COPY proto proto
COPY bin bin
# Volumes that are mounted here take over these owners and modes.
RUN install -d -o node -g node -m 0700 /data && install -d -o node -g node -m 0755 /run/countersign
USER node
ENTRYPOINT ["node", "/app/bin/countersign.mjs"]
