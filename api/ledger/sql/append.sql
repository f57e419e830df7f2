INSERT INTO audit (at, actor, role, action, target, detail)
SELECT {at:DateTime64(3, 'UTC')}, {actor:String}, {role:String}, {action:String}, {target:String}, {detail:String}
