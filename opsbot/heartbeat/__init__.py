"""The dead man's heartbeat: an outside service hears from us only while the whole loop works."""
