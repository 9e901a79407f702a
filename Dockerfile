# The example app behind Sallyport, on Docker Hardened Images. For an app of your own, see README.md: three lines do it.
ARG DEV_BASE=dhi.io/node:24-debian13-dev
ARG BASE=dhi.io/node:24-debian13

FROM ${DEV_BASE} AS build
WORKDIR /build
# The bundle needs no package's install script, and what isn't run can't do harm.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY build.mjs tsconfig.json tsconfig.types.json ./
COPY entrypoint/ entrypoint/
COPY docker/bake.mjs docker/
RUN npm run build
# The bundle in parts, with what V8 makes of them, so that no start has to compile it. By this image's own Node: another one would not
# take it.
RUN node dist/bake.mjs

FROM ${BASE}
COPY --from=build /build/dist/baked/ /sallyport/
WORKDIR /app
# The example has no dependencies. An app that has some: `npm ci --omit=dev` in the build stage, and copy its node_modules, too.
COPY docker/example/sallyport.config.json docker/example/server.mjs ./
# By number, because Kubernetes can't tell whether a name is root.
USER 1000:1000
# A boot may take as long as bootTimeout, 120 s; failures until then don't count.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["node", "/sallyport/entrypoint.mjs", "healthcheck"]
ENTRYPOINT ["node", "/sallyport/entrypoint.mjs"]
