"""The words that the painter knows, as data: what they name, and how concepts relate. English, then Chinese."""

from __future__ import annotations

from collections.abc import Mapping

# Things that can be drawn as separate shapes.
LANDMARKS: Mapping[str, str] = {
    "castle": "castle fortress citadel stronghold palace keep 城堡 宫殿 要塞",
    "tower": "tower turret spire watchtower 塔楼 高塔",
    "house": "house cottage cabin hut home farmhouse barn farm inn tavern shop chalet 房子 小屋 房屋 木屋",
    "village": "village hamlet 村庄 小镇",
    "temple": "temple monastery shrine pagoda abbey dojo 寺 寺庙 寺院 神社 宝塔 佛塔",
    "gate": "torii gate archway 鸟居 大门",
    "church": "church cathedral chapel 教堂",
    "lighthouse": "lighthouse beacon 灯塔",
    "windmill": "windmill mill 风车",
    "bridge": "bridge viaduct aqueduct 桥",
    "ruin": "ruin ruins column columns pillar pillars colosseum 废墟 遗迹",
    "pyramid": "pyramid pyramids 金字塔",
    "tent": "tent camp campsite yurt 帐篷",
    "tree": "tree oak maple willow baobab 树 大树",
    "blossom": "sakura blossom cherry 樱花 桃花",
    "pine": "pine fir spruce cedar conifer 松 松树",
    "palm": "palm coconut 棕榈 椰树",
    "cactus": "cactus cacti 仙人掌",
    "bamboo": "bamboo 竹 竹子",
    "ship": "ship boat sailboat galleon yacht frigate junk vessel sail 船 帆船 小船",
    "balloon": "balloon airship zeppelin 热气球 飞艇",
    "rocket": "rocket spaceship spacecraft starship shuttle 火箭 飞船 太空船",
    "train": "train locomotive railway 火车",
    "car": "car truck vehicle 汽车",
    "statue": "statue sculpture monument obelisk 雕像",
    "waterfall": "waterfall waterfalls cascade 瀑布",
    "volcano": "volcano volcanic 火山",
}

FIGURES: Mapping[str, str] = {
    "knight": "knight warrior paladin soldier guard samurai gladiator viking 骑士 战士 武士",
    "wizard": "wizard mage witch sorcerer sorceress warlock shaman 巫师 法师 女巫 魔法师",
    "woman": "woman girl lady princess queen maiden heroine priestess elf fairy goddess dancer "
    "女孩 少女 女人 公主 女王 精灵",
    "man": "man boy hero character person figure human prince king monk ninja hunter ranger rogue thief pirate "
    "farmer traveler traveller wanderer adventurer child explorer avatar npc 男人 男孩 人物 角色 人 英雄 王子 国王",
    "astronaut": "astronaut cosmonaut spaceman 宇航员",
    "robot": "robot mech android droid automaton golem cyborg 机器人 机甲",
    "fox": "fox foxes kitsune 狐狸",
    "cat": "cat kitten kitty feline 猫 小猫",
    "dog": "dog puppy hound corgi shiba 狗 小狗 犬",
    "wolf": "wolf wolves werewolf coyote 狼",
    "bear": "bear panda teddy 熊 熊猫",
    "rabbit": "rabbit bunny hare 兔 兔子",
    "deer": "deer stag elk reindeer doe 鹿",
    "horse": "horse pony unicorn mare stallion 马 独角兽",
    "owl": "owl 猫头鹰",
    "bird": "bird crane eagle hawk raven crow phoenix swan heron sparrow 鸟 鹤 凤凰 鹰",
    "fish": "fish koi shark whale dolphin goldfish 鱼 锦鲤 鲸 鲸鱼",
    "dragon": "dragon wyvern drake wyrm 龙",
    "slime": "slime jelly blob 史莱姆",
    "ghost": "ghost spirit phantom specter spectre wraith 鬼 幽灵",
    "monster": "monster demon ogre orc goblin troll creature beast imp 怪物 恶魔 怪兽",
    "animal": "animal critter pet 动物",
    "butterfly": "butterfly moth 蝴蝶",
    "turtle": "turtle tortoise 乌龟",
}

ITEMS: Mapping[str, str] = {
    "sword": "sword blade katana dagger knife saber sabre rapier 剑 刀",
    "shield": "shield buckler crest emblem 盾 盾牌",
    "potion": "potion flask elixir vial bottle poison 药水 药剂 瓶子",
    "gem": "gem crystal diamond jewel ruby sapphire emerald amethyst gemstone 宝石 水晶 钻石",
    "coin": "coin coins money token medal 金币 硬币",
    "key": "key keys 钥匙",
    "heart": "heart hearts health life love 心 爱心",
    "star": "star badge rating 星 星星",
    "crown": "crown tiara diadem 王冠 皇冠",
    "chest": "chest treasure loot strongbox 宝箱 箱子",
    "book": "book grimoire tome spellbook 书 魔法书",
    "scroll": "scroll parchment map letter 卷轴 地图",
    "axe": "axe hatchet tomahawk 斧 斧头",
    "hammer": "hammer mallet mace warhammer 锤 锤子",
    "bow": "bow longbow crossbow arrow quiver 弓 弓箭",
    "staff": "staff wand scepter sceptre rod 法杖 魔杖",
    "ring": "ring amulet necklace pendant 戒指 项链",
    "helmet": "helmet helm 头盔",
    "bomb": "bomb grenade dynamite 炸弹",
    "skull": "skull skeleton bones 骷髅",
    "lantern": "lantern lamp 灯笼 灯",
    "candle": "candle 蜡烛",
    "feather": "feather quill plume 羽毛",
    "hourglass": "hourglass clock timer 沙漏 时钟",
    "bag": "bag backpack pouch sack satchel 背包 袋子",
    "gear": "gear cog settings cogwheel 齿轮",
    "mushroom": "mushroom toadstool fungus shroom 蘑菇",
    "flower": "flower rose tulip lotus daisy sunflower lily peony bouquet orchid 花 花朵 玫瑰 莲花 荷花",
    "leaf": "leaf leaves herb sprout 叶 叶子",
    "apple": "apple fruit peach orange tomato 苹果 水果 橙子",
    "berry": "cherry cherries berry berries strawberry grape 草莓 葡萄",
    "cake": "cake cupcake pie dessert birthday 蛋糕 甜点",
    "bread": "bread loaf croissant baguette bun 面包",
    "bowl": "bowl ramen noodles soup rice food meal dish stew 碗 面条 拉面 食物 米饭",
    "sushi": "sushi onigiri 寿司",
    "cup": "cup mug coffee tea teacup cocoa 咖啡 茶 杯子",
    "burger": "burger hamburger sandwich 汉堡",
    "icecream": "icecream gelato popsicle 冰淇淋",
    "cheese": "cheese 奶酪",
    "egg": "egg 蛋",
    "meat": "meat steak drumstick ham 肉",
    "vase": "vase pottery jar urn teapot pot ceramic 花瓶 陶罐",
    "chair": "chair armchair throne sofa 椅子",
    "trophy": "trophy goblet chalice grail 奖杯",
    "gift": "gift present giftbox 礼物",
    "bell": "bell 铃",
    "camera": "camera 相机",
    "rune": "rune runestone sigil glyph 符文",
}

EFFECTS: Mapping[str, str] = {
    "portal": "portal gateway wormhole vortex rift 传送门 漩涡",
    "explosion": "explosion blast burst detonation explode boom impact 爆炸",
    "fire": "fire flame flames fireball inferno bonfire campfire burning torch ember 火 火焰 火球",
    "smoke": "smoke puff steam dust 烟 烟雾",
    "lightning": "lightning thunder electric electricity thunderbolt bolt shock 闪电 雷电",
    "spell": "spell magic arcane enchantment aura summoning 魔法 法术 咒语 法阵",
    "slash": "slash swipe strike 斩击",
    "beam": "beam laser ray 光束 激光",
    "ice": "frost icicle shard freeze iceburst frozen 冰 冰晶",
    "splash": "splash droplet ripple bubble bubbles 水花 水滴 气泡",
    "swirl": "swirl spiral whirlwind tornado galaxy nebula 旋风 龙卷风 银河 星云",
}

INTERFACE: Mapping[str, str] = {
    "button": "button buttons 按钮",
    "panel": "panel dialog dialogue window frame inventory menu card tooltip 面板 菜单 窗口 界面",
    "hud": "hud interface ui gui dashboard overlay radar scanner display screen reticle crosshair 界面设计",
    "bar": "healthbar progressbar manabar loading 血条 进度条",
}

SPACE: Mapping[str, str] = {
    "planet": "planet saturn jupiter mars earth world 行星 星球 地球",
    "space": "space cosmos universe galaxy nebula starfield interstellar asteroid orbit 太空 宇宙 星空",
}

# What the land consists of.
SETTINGS: Mapping[str, str] = {
    "mountain": "mountain mountains peak peaks alps summit cliff cliffs highland himalaya ridge 山 山脉 高山 雪山",
    "hill": "hill hills 山丘 丘陵",
    "sea": "sea ocean beach coast coastline shore bay harbor harbour wave waves island 海 大海 海洋 海滩 岛",
    "lake": "lake pond lagoon 湖 湖泊",
    "river": "river stream creek brook 河 河流 小溪",
    "forest": "forest woods woodland jungle grove wood rainforest 森林 树林 丛林",
    "desert": "desert dune dunes sahara oasis canyon mesa wasteland 沙漠 沙丘 峡谷",
    "city": "city town skyline street skyscraper metropolis downtown cityscape cyberpunk urban alley 城市 街道 都市",
    "meadow": "meadow field fields pasture countryside prairie grassland garden valley park lawn path "
    "草地 草原 田野 花园 山谷",
    "snowland": "glacier arctic tundra iceberg antarctica 冰川 雪原",
    "swamp": "swamp marsh bog 沼泽",
    "cave": "cave cavern dungeon grotto 洞穴 地牢",
}

TIMES: Mapping[str, str] = {
    "dawn": "dawn sunrise daybreak morning 黎明 日出 清晨 早晨",
    "day": "day noon midday daylight daytime sunny afternoon summer spring 白天 中午 晴天 夏天 春天",
    "sunset": "sunset sundown golden-hour autumn fall 日落 夕阳 黄昏 秋天",
    "dusk": "dusk twilight evening gloaming 傍晚 暮色",
    "night": "night midnight moonlit moonlight nighttime nocturnal starry 夜 夜晚 夜空 深夜 月夜",
}

WEATHER: Mapping[str, str] = {
    "fog": "fog foggy mist misty haze hazy 雾 薄雾 云雾",
    "snow": "snow snowy snowfall blizzard winter snowing 雪 下雪 冬天",
    "rain": "rain rainy raining drizzle downpour 雨 下雨",
    "storm": "storm stormy thunderstorm tempest hurricane 暴风雨 风暴",
    "clouds": "cloud clouds cloudy overcast 云 多云",
    "stars": "stars starry constellation starlight 星空 繁星",
    "aurora": "aurora northern-lights borealis 极光",
    "rainbow": "rainbow 彩虹",
    "fireflies": "firefly fireflies glowing sparkle sparkles particles sparks embers 萤火虫",
    "petals": "petals petal confetti 花瓣",
    "wind": "wind windy breeze 风",
}

MOODS: Mapping[str, str] = {
    "calm": "calm quiet serene peaceful tranquil gentle soft minimal minimalist empty 宁静 平静 安静",
    "dark": "dark gloomy grim sinister ominous horror scary gothic moody eerie evil cursed 黑暗 阴森 恐怖",
    "cheerful": "cheerful happy bright vivid vibrant joyful playful cute lively colorful colourful 欢快 明亮 可爱 鲜艳",
    "warm": "warm cozy cosy golden 温暖",
    "cold": "cold icy chilly frozen 寒冷 冰冷",
    "epic": "epic dramatic grand majestic heroic cinematic 史诗 壮观",
    "pastel": "pastel dreamy whimsical 梦幻 柔和",
    "close": "close-up closeup portrait headshot bust face 特写 肖像",
}

SKY: Mapping[str, str] = {
    "sun": "sun 太阳 日",
    "moon": "moon crescent 月亮 明月",
    "sky": "sky 天空",
    "birds": "birds geese seagull seagulls flock 鸟群 飞鸟",
    "reeds": "reeds grass 草",
}

COLOURS: Mapping[str, tuple[str, str]] = {
    "red": ("d23a32", "red crimson scarlet vermilion ruby 红 红色 朱红"),
    "orange": ("ee8434", "orange tangerine amber copper 橙 橙色 橘色"),
    "yellow": ("f4cf49", "yellow lemon mustard 黄 黄色"),
    "gold": ("e2ad3b", "gold golden brass honey 金 金色"),
    "green": ("4f9a52", "green emerald jade olive lime moss 绿 绿色 翠绿"),
    "mint": ("8fd8b4", "mint 薄荷"),
    "teal": ("23908f", "teal turquoise aqua 青 青色 蓝绿"),
    "cyan": ("43c3dc", "cyan 青蓝"),
    "blue": ("3f6fc4", "blue azure cobalt sapphire navy 蓝 蓝色"),
    "indigo": ("4a469f", "indigo 靛 靛蓝"),
    "purple": ("7f51b5", "purple violet amethyst lavender lilac 紫 紫色"),
    "magenta": ("cf3f96", "magenta fuchsia 品红 洋红"),
    "pink": ("ee94ae", "pink rose salmon coral 粉 粉色 粉红"),
    "brown": ("8a5a38", "brown bronze chocolate wooden 棕 棕色 褐色"),
    "beige": ("dcc7a2", "beige cream sand ivory 米色 米黄"),
    "white": ("f4f2ec", "white 白 白色"),
    "silver": ("b9c3cf", "silver steel iron 银 银色"),
    "grey": ("868c94", "grey gray 灰 灰色"),
    "black": ("25252d", "black obsidian 黑 黑色"),
}

# Words that have another meaning together.
PHRASES: Mapping[str, str] = {
    "cherry blossom": "sakura",
    "cherry tree": "sakura",
    "close up": "close-up",
    "still life": "",
    "golden hour": "golden-hour",
    "northern lights": "northern-lights",
    "hot air balloon": "balloon",
    "health bar": "healthbar",
    "progress bar": "progressbar",
    "mana bar": "manabar",
    "ice cream": "icecream",
    "magic circle": "spell",
    "sea of clouds": "sea of fog",
    "rice field": "field",
    "milky way": "stars galaxy",
    "treasure chest": "chest",
    "pirate ship": "ship",
    "space ship": "spaceship",
    "sun rise": "sunrise",
    "sun set": "sunset",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that most prompts contain and that name nothing to draw.
IDLE = _words(
    "a an the of in on at by with and or to from for over under above below near into through its his her their is are "
    "very highly detailed detail masterpiece best quality style picture image illustration art artwork painting "
    "drawing render 4k 8k hd ultra beautiful view front background plain wide single isolated centered game asset icon"
)
NEGATIONS = _words("no without not never minus")
NUMBERS = _words("two three four five several many some 2 3 4 5 两 三 几")

# What Chinese prompts for game art say besides, in English; the painter passes these over.
IDLE_CHINESE: Mapping[str, str] = {
    "的": "", "了": "", "着": "", "一个": "", "一只": "", "一把": "", "一座": "", "一位": "", "一朵": "", "一张": "",
    "和": "and", "与": "and", "在": "in", "里": "", "中": "", "上": "", "游戏": "game", "图标": "icon",
    "素材": "asset", "道具": "item", "技能": "skill", "背景": "background", "透明背景": "transparent background",
    "白色背景": "white background", "黑色背景": "black background", "特效": "visual effect", "界面": "user interface",
    "像素风": "pixel art", "像素": "pixel art", "卡通": "cartoon", "写实": "realistic", "手绘": "hand painted",
    "水墨": "ink wash", "水彩": "watercolour", "国风": "Chinese style", "风格": "style", "扁平": "flat",
    "高清": "highly detailed", "精细": "detailed", "发光": "glowing", "正面": "front view", "侧面": "side view",
    "大": "large", "小": "small", "古老": "ancient", "神秘": "mysterious", "美丽": "beautiful", "站在": "standing in",
    "坐在": "sitting in", "戴着": "wearing", "拿着": "holding",
}  # fmt: skip
