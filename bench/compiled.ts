/** Switches on the compiled codecs, before anything else is loaded. */
import "effect/schema/SchemaJITCompiler/enable"
