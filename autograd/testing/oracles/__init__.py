"""The judgement of derivatives: finite differences, the complex step, and the report on one that is wrong."""
