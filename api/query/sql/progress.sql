-- How far the stream is counted.
SELECT at, through, pending, dead FROM progress FINAL
