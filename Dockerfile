# Two stages: the first compiles, the second holds what runs and nothing else.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
RUN npm ci --ignore-scripts
COPY proto proto
COPY src src
COPY agent agent
COPY server server
RUN npx tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/proto proto
COPY --from=build /app/dist dist
COPY bin bin
# Volumes that are mounted here take over these owners and modes.
RUN install -d -o node -g node -m 0700 /data && install -d -o node -g node -m 0755 /run/countersign
USER node
ENTRYPOINT ["node", "/app/bin/countersign.mjs"]
