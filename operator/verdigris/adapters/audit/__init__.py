"""The audit log's folder: files that are only appended to. What is in them is `verdigris.audit`'s business."""
