import { defineConfig } from "vitest/config"

export default defineConfig({
  ssr: { resolve: { conditions: ["@troupe/source"] } },
  resolve: { conditions: ["@troupe/source"] },
  test: { include: ["test/**/*.test.ts"], testTimeout: 30_000 }
})
